"""Loyalty Lab."""
