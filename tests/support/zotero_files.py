"""Zotero databases, with the tables and columns of Zotero 7 that matter."""

import sqlite3
from contextlib import closing
from pathlib import Path

_SCHEMA = """
CREATE TABLE libraries (libraryID INTEGER PRIMARY KEY, type TEXT NOT NULL);
CREATE TABLE itemTypes (itemTypeID INTEGER PRIMARY KEY, typeName TEXT);
CREATE TABLE fields (fieldID INTEGER PRIMARY KEY, fieldName TEXT);
CREATE TABLE creatorTypes (creatorTypeID INTEGER PRIMARY KEY, creatorType TEXT);
CREATE TABLE items (itemID INTEGER PRIMARY KEY, itemTypeID INT, libraryID INT, key TEXT);
CREATE TABLE itemDataValues (valueID INTEGER PRIMARY KEY, value UNIQUE);
CREATE TABLE itemData (itemID INT, fieldID INT, valueID, PRIMARY KEY (itemID, fieldID));
CREATE TABLE creators (creatorID INTEGER PRIMARY KEY, firstName TEXT, lastName TEXT, fieldMode INT);
CREATE TABLE itemCreators (itemID INT, creatorID INT, creatorTypeID INT, orderIndex INT);
CREATE TABLE tags (tagID INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE itemTags (itemID INT, tagID INT, type INT);
CREATE TABLE collections (collectionID INTEGER PRIMARY KEY, collectionName TEXT,
  parentCollectionID INT DEFAULT NULL, libraryID INT);
CREATE TABLE collectionItems (collectionID INT, itemID INT, orderIndex INT DEFAULT 0);
CREATE TABLE deletedItems (itemID INTEGER PRIMARY KEY, dateDeleted DEFAULT CURRENT_TIMESTAMP);
INSERT INTO libraries VALUES (1, 'user'), (2, 'feed');
INSERT INTO itemTypes VALUES (1, 'note'), (2, 'attachment'), (3, 'annotation'),
  (4, 'journalArticle'), (5, 'preprint'), (6, 'book');
INSERT INTO creatorTypes VALUES (1, 'author'), (2, 'editor');
"""
_TYPES = {"note": 1, "attachment": 2, "annotation": 3, "journalArticle": 4, "preprint": 5}


class ZoteroFile:
    """A database that items are put into, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        self.db.executescript(_SCHEMA)
        self._collections: dict[str, int] = {}

    def add(
        self,
        kind: str = "journalArticle",
        *,
        authors=(),
        editors=(),
        tags=(),
        collections=(),
        deleted=False,
        library=1,
        **fields,
    ) -> None:
        """Add an item; a collection below another is given by its path: `A/B`."""
        count = self.db.execute("SELECT count(*) FROM items").fetchone()[0]
        item = self.db.execute(
            "INSERT INTO items (itemTypeID, libraryID, key) VALUES (?, ?, ?)",
            (_TYPES[kind], library, f"KEY{count:05}"),
        ).lastrowid
        for name, value in fields.items():
            self.db.execute(
                "INSERT INTO itemData VALUES (?, ?, ?)",
                (item, self._id("fields", "fieldName", name), self._value(value)),
            )
        people = [(name, 1) for name in authors] + [(name, 2) for name in editors]
        for order, ((given, family), role) in enumerate(people):
            creator = self.db.execute(
                "INSERT INTO creators (firstName, lastName) VALUES (?, ?)", (given, family)
            ).lastrowid
            row = (item, creator, role, order)
            self.db.execute("INSERT INTO itemCreators VALUES (?, ?, ?, ?)", row)
        for tag in tags:
            tag_id = self._id("tags", "name", tag)
            self.db.execute("INSERT INTO itemTags VALUES (?, ?, 0)", (item, tag_id))
        for path in collections:
            row = (self._collection(path), item)
            self.db.execute("INSERT INTO collectionItems (collectionID, itemID) VALUES (?, ?)", row)
        if deleted:
            self.db.execute("INSERT INTO deletedItems (itemID) VALUES (?)", (item,))

    def close(self) -> Path:
        """Write everything and return the path."""
        with closing(self.db):
            self.db.commit()
        return self.path

    def _collection(self, path: str) -> int:
        if path not in self._collections:
            above, _, name = path.rpartition("/")
            parent = self._collection(above) if above else None
            self._collections[path] = self.db.execute(
                "INSERT INTO collections (collectionName, parentCollectionID) VALUES (?, ?)",
                (name, parent),
            ).lastrowid
        return self._collections[path]

    def _value(self, value: object) -> int:
        return self._id("itemDataValues", "value", value)

    def _id(self, table: str, column: str, value: object) -> int:
        found = self.db.execute(
            f"SELECT rowid FROM {table} WHERE {column} = ?", (value,)
        ).fetchone()
        if found:
            return found[0]
        return self.db.execute(f"INSERT INTO {table} ({column}) VALUES (?)", (value,)).lastrowid
