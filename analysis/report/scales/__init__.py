"""The report of ratings on another scale than that of five levels: 1–7, 0–100, yes or no.

What is linear in the ratings is computed as for five levels, on numbers brought to the same ends,
and given on the scale itself: means, their differences, their tests, superiority. With at most
eleven levels there are the ordinal mixed models too, with the data's own levels. Choices and
machine scores are as for five levels, which their numbers never depend on; agreement is that of the
data's own levels, and of a slider that of numbers. Left out is what means something on five levels
only, or was made for them: shares of single levels and of "4 or more", R scripts, LaTeX.
"""
