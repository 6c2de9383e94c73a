"""The schemas of Hudi tables: Avro, and Hudi's internal schema."""
