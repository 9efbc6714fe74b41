"""Simulated listeners: known ability, known bias, real pages.

`hearing` says what a listener makes of a name, `listener` how an answer comes of it and what the
population's expectation is, `ears` how the sound checks go, `pages` reads a page's form, `walk`
goes through the pages by HTTP, `crowd` sends many at once. Listeners know the clips' truth and the
options' text; the name of a method is nowhere in their reach.
"""
