"""Policy: what Naestro may read, change and send. The border of the workspace stands here."""
