"""Benches: ratios measured in one run, against the thing itself."""
