"""Reading and writing objects: one protocol, local files, S3 and memory behind it."""

from converters.storage.base import METADATA_LIMIT, Data, ObjectMeta, Storage
from converters.storage.faulty import FaultyStorage
from converters.storage.object_store import ObjectStorage
from converters.storage.roots import Roots

__all__ = ["METADATA_LIMIT", "Data", "FaultyStorage", "ObjectMeta", "ObjectStorage", "Roots", "Storage"]
