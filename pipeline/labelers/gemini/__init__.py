"""Labels from Gemini: questions, the ledger of calls, reading the answers, and their cost."""
