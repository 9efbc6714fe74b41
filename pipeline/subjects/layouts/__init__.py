"""MusicGen's weights in audiocraft's layout and in transformers', one made from the other.

`language_model` and `codec` rename and reshape tensors and translate what shapes them; `files`
reads and writes audiocraft's two files, tensors only; `convert` puts a whole subject over.
Sources: audiocraft 1.3.0, transformers 5.23 (modeling_musicgen.py, modeling_encodec.py).
"""
