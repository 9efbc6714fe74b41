"""Any service with OpenAI's `/v1/chat/completions` that takes audio."""
