"""From the winner to statuses, words and doubts."""
