"""Tests of Tablecast."""
