"""Asking Gemini: questions, the ledger of calls, answers, their price. Used by the labeler."""
