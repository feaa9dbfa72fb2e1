"""The control API as a caller sees it: `Client`."""
