"""What Naestro uses of `lancedb.index`."""

class FTS:
    def __init__(
        self,
        *,
        with_position: bool,
        base_tokenizer: str,
        stem: bool,
        lower_case: bool,
        remove_stop_words: bool,
        ascii_folding: bool,
        max_token_length: int | None,
    ) -> None: ...

class BTree: ...

class IvfFlat:
    def __init__(self, *, distance_type: str, num_partitions: int) -> None: ...

class IvfSq:
    def __init__(self, *, distance_type: str, num_partitions: int) -> None: ...
