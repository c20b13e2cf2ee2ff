"""Texts become vectors, by a small static model: dense recall that works offline."""
