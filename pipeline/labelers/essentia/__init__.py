"""Labels from Essentia's TensorFlow models: their metadata, running them, ranking their tags."""
