"""Thin panels: read the form, call the controller, show the answer."""
