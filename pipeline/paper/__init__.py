"""The paper's tables, figures and layer probe, from the files of one finished run or several.

"The paper" is Singh, Cherep and Maes, arXiv 2505.18186. Nothing here computes activations or
labels: everything is read from run directories, one SAE at a time.
"""
