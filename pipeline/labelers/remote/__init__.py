"""What methods share that ask a paid service: questions, the ledger of calls, answers, costs."""
