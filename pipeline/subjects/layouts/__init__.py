"""MusicGen's weights in audiocraft's layout and in transformers', one made from the other.

`language_model` and `codec` rename and reshape tensors and translate configs; `files` reads and
writes audiocraft's two files, tensors only; `build` makes models of one from the other's files.
Sources: audiocraft 1.3.0, transformers 5.23 (modeling_musicgen.py, modeling_encodec.py).
"""
