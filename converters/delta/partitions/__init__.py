"""Partition columns and their values (Delta protocol, "Partition Value Serialization")."""
