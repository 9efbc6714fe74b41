"""The stages of a run, one file each, with `run(config, directory, *, progress)`.

A stage reads the files of earlier stages through the `RunDirectory`, writes through
`directory.writer(STAGE)`, and lists its inputs, parameters and outputs in its docstring.
"""
