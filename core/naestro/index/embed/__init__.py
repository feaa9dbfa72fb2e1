"""What gives code and questions their vectors.

Start at `choose`, which picks one of the embedders here by the setting, and at `embedder`, what every one of them does.
"""
