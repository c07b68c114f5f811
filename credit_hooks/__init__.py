"""Signed, conserved credit per message for teams of LLM agents, as tracing middleware."""
