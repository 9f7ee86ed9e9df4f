"""PDFs made of lines at places, so that tests need no program to make them, and harmful ones."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
WIDTH, HEIGHT = 595, 842  # points: A4


@dataclass(frozen=True)
class Text:
    """A line of text from (x, y), its lower left corner, in points."""

    text: str
    x: float
    y: float
    size: float = 10
    bold: bool = False
    turned: bool = False


def block(text: str, x: float, y: float, width: int, size: float = 10) -> list[Text]:
    """Return the text as lines of at most `width` characters, one below the other."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    return [Text(line, x, y - n * 1.2 * size, size) for n, line in enumerate(lines)]


def pdf(*pages: Iterable[Text], title: str = "") -> bytes:
    """Return a PDF with these pages, set in Helvetica."""
    return document([_content(page) for page in pages], info=f"/Title ({title})")


def document(contents: Sequence[bytes], *, info: str = "", filters: str = "") -> bytes:
    """Return a PDF whose pages have these streams."""
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {len(contents)} /Kids [{kids}] >>".encode(),
        f"<< /F1 {_FONT % 'Helvetica'} /F2 {_FONT % 'Helvetica-Bold'} >>".encode(),
        f"<< {info} >>".encode("cp1252"),
    ]
    for n, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents "
            f"{6 + 2 * n} 0 R /Resources << /Font 3 0 R >> >>".encode()
        )
        head = f"<< /Length {len(content)} {filters} >>\nstream\n".encode()
        objects.append(head + content + b"\nendstream")
    return assembled(objects)


def assembled(objects: Sequence[bytes]) -> bytes:
    """Return a PDF of these objects; the first is the catalogue, the fourth the information."""
    text, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(text))
        text += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = (
        f"trailer\n<< /Size {size} /Root 1 0 R /Info 4 0 R >>\nstartxref\n{len(text)}\n%%EOF\n"
    )
    return text + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def bomb(size: int) -> bytes:
    """Return a small PDF with a page that unpacks to `size` bytes, packed twice."""
    once = zlib.compressobj(1)
    line = b"BT /F1 10 Tf 50 700 Td (bomb) Tj ET\n" * 1000
    packed = b"".join(once.compress(line) for _ in range(size // len(line))) + once.flush()
    twice = zlib.compress(packed, 9)
    return document([twice], filters="/Filter [/FlateDecode /FlateDecode]")


def nested(depth: int) -> bytes:
    """Return a PDF whose catalogue has arrays within arrays."""
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R /X " + b"[" * depth + b"]" * depth + b" >>",
            b"<< /Type /Pages /Count 1 /Kids [2 0 R] >>",
            b"<< >>",
            b"<< >>",
        ]
    )


def _content(page: Iterable[Text]) -> bytes:
    parts = []
    for line in page:
        text = line.text.encode("cp1252").replace(b"\\", b"\\\\")
        text = text.replace(b"(", b"\\(").replace(b")", b"\\)")
        font = "F2" if line.bold else "F1"
        turn = "0 1 -1 0" if line.turned else "1 0 0 1"
        parts.append(
            f"BT /{font} {line.size} Tf {turn} {line.x} {line.y} Tm (".encode() + text + b") Tj ET"
        )
    return b"\n".join(parts)
