"""Tests of the site; the tree mirrors `studyapp`."""
