"""CIFAR-100 (Krizhevsky, 2009): pickles or binaries, by its 100 fine or its 20 coarse classes."""

from latent_diffusion.data.sources.array_sets import ArraySet, ArraySource, beside
from latent_diffusion.data.sources.cifar import SIDE, CifarBatches, class_names, read_batch
from latent_diffusion.data.sources.source import AUTO, Asked, Found
from latent_diffusion.data.tree import File

COARSE = "column=coarse"


class Cifar100(ArraySource):
    """A file for training and one for testing beside the names of the classes."""

    accepts = "CIFAR-100 files"
    labels = ("column",)

    def sets(self, files: list[File]) -> list[ArraySet]:
        found = []
        for name, form in (("meta", ""), ("fine_label_names.txt", ".bin")):
            for file in files:
                folder = file.path.removesuffix(name)
                if folder + name != file.path or not (folder == "" or folder.endswith("/")):
                    continue
                parts = {part: beside(files, folder, part + form) for part in ("train", "test")}
                parts["fine"] = file
                parts["coarse"] = beside(files, folder, "coarse_label_names.txt") if form else None
                there = {role: part for role, part in parts.items() if part is not None}
                if there.keys() & {"train", "test"}:
                    found.append(ArraySet(folder, "", there))
        return found

    def is_whole(self, found: ArraySet) -> bool:
        return "train" in found.files

    def open(self, asked: Asked, found: ArraySet) -> Found:
        level = "coarse" if asked.labels == COARSE else "fine"
        if asked.labels not in (AUTO, COARSE, "column=fine"):
            raise ValueError(f"--labels {asked.labels}: CIFAR-100 has column=fine and {COARSE}")
        names_file = found.files.get(level, found.files["fine"])
        names = class_names(asked.tree, names_file, f"{level}_label_names")
        files = [found.files[part] for part in ("train", "test") if part in found.files]
        at = ("coarse", "fine").index(level)  # in the binary version
        batches = CifarBatches(
            [read_batch(asked.tree, file, f"{level}_labels", 2, at) for file in files]
        )
        notes = [] if level == "coarse" else [f"by the fine classes (--labels {COARSE} has 20)"]
        return Found("CIFAR-100", batches.items(names), batches, native_size=SIDE, notes=notes)
