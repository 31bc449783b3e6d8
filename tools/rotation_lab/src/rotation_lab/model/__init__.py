"""Secrets Manager's versions and staging labels in memory."""
