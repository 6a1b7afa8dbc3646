"""Folders and archives of picture files, in whatever arrangement names their classes and split.

Pure decisions on paths; nothing is decoded here. `layout` says what the folders mean.
"""

from latent_diffusion.data.sources.layout import Layout, arrange, is_picture
from latent_diffusion.data.sources.source import Asked, FileLoader, Found, Item, Source, class_of
from latent_diffusion.data.split import TRAIN, UNDECIDED
from latent_diffusion.data.tree import Skip


class Pictures(Source):
    """Class folders, with or without splits around or inside of them, and flat folders."""

    accepts = "a folder or .zip of pictures (class folders, with or without train/ and test/)"

    def find(self, asked: Asked) -> Found | None:
        if not asked.holds_pictures:
            return None
        layout = arrange(asked.listing.files, asked.name)
        items, skipped = by_folder(layout)
        return Found(
            kind=kind_of(layout),
            items=sorted(items),
            loader=FileLoader(asked.tree),
            skipped=sorted(asked.listing.skipped + layout.skipped + skipped),
            notes=layout.notes,
        )


def by_folder(layout: Layout) -> tuple[list[Item], list[Skip]]:
    """Return the pictures by the classes of their folders, or all of one, and what has none."""
    items, skipped = [], []
    for place in layout.places:
        path, key = place.file
        if not layout.has_classes and place.folders:
            skipped.append(Skip(path, "in a folder beside many loose pictures"))
        elif layout.has_classes and not place.folders:
            held_out = place.split not in (UNDECIDED, TRAIN) and is_picture(place.file)
            reason = "held out by the source, but without a class" if held_out else None
            skipped.append(Skip(path, reason or "outside the class folders"))
        else:
            name = place.folders[0] if layout.has_classes else layout.name
            items.append(Item(path, key, class_of(name), place.split))
    return items, skipped


def kind_of(layout: Layout) -> str:
    """Return what the layout is, for people."""
    if layout.has_splits:
        what = "class folders" if layout.has_classes else "pictures"
        return f"{what} in train and test"
    return "class folders" if layout.has_classes else "a folder of pictures"
