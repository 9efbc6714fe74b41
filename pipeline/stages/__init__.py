"""One file a step. Each has `run(config, directory, *, progress) -> None`.

A stage reads what earlier stages left through the `RunDirectory`, writes through
`directory.writer(STAGE)`, and states its inputs, parameters and outputs in its docstring.
"""
