"""The audit: checks from tables and scores to findings, and the page that shows them."""
