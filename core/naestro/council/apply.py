"""The `apply` step: the shown change becomes the files' new content, after a yes."""

from naestro.council.sitting import Sitting
from naestro.council.verdict import CouncilResult


async def apply_on_yes(sitting: Sitting, result: CouncilResult) -> CouncilResult:
    """`result` as it is."""
    del sitting
    return result
