"""What Naestro uses of `lancedb.query`."""

class MatchQuery:
    def __init__(self, query: str, column: str) -> None: ...
