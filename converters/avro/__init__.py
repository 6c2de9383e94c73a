"""Avro files and rows, column by column: what manifests, timelines and Hudi's metadata table are made of."""
