"""What gives code and questions their vectors: `choose` picks one of the embedders here by the setting."""
