"""The terminal's face: the live view, tables, the waterfall and its page. Above it stands only `cli`."""
