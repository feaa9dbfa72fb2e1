"""The benches: what they measure by is tested, the figures are not."""
