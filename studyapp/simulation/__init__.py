"""Simulated listeners with known ability and bias, who use the real pages.

`vocabulary` scores how well a name fits what a listener hears, `listener` turns fits into an answer
and computes the expectation over the population, `check_listener` answers the sound checks,
`page_parser` reads a page's form, `walk` goes through the pages over HTTP, `crowd` sends many
listeners at once. Listeners know the tags of the clips and the text of the options, but never which
method a name comes from.
"""
