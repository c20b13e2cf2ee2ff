"""Cut off at a score: fit a calibration to labelled pairs, keep 90% of what is relevant, read scores as probabilities.

A real one needs pairs that your own search found, of hundreds of queries.
"""

import tempfile
from pathlib import Path

from resift import Reranker
from resift.calibration import calibrate

CAPITALS = {
    "France": "Paris", "Spain": "Madrid", "Italy": "Rome", "Norway": "Oslo", "Japan": "Tokyo", "Peru": "Lima",
    "Egypt": "Cairo", "Kenya": "Nairobi", "Cuba": "Havana", "Greece": "Athens", "Poland": "Warsaw", "Malta": "Valletta",
    "Austria": "Vienna", "Ireland": "Dublin", "Portugal": "Lisbon", "Sweden": "Stockholm", "Finland": "Helsinki",
    "Hungary": "Budapest", "Qatar": "Doha", "Iran": "Tehran", "Iraq": "Baghdad", "Chile": "Santiago", "Ghana": "Accra",
    "Mongolia": "Ulaanbaatar",
}  # fmt: skip
QUESTION = "What is the capital of {}?"

labelled = []
countries = list(CAPITALS)
for country, other in zip(countries, countries[1:] + countries[:1], strict=True):
    labelled += [
        (QUESTION.format(country), f"{CAPITALS[country]} is the capital city of {country}.", 1),
        (QUESTION.format(country), f"{CAPITALS[other]} is the capital city of {other}.", 0),
        (QUESTION.format(country), f"The mountains of {country} are popular with hikers.", 0),
    ]

with Reranker() as reranker, tempfile.TemporaryDirectory() as folder:
    found = calibrate(reranker, [(query, document) for query, document, _ in labelled], [row[2] for row in labelled])
    print(found.text)
    found.calibration.save(Path(folder) / "calibration.json")
    shop = reranker.with_options(scores="calibrated", calibration=Path(folder) / "calibration.json")
    threshold = shop.threshold(keep=0.9)
    for one in shop.rank("What is the capital of Mali?", ["Bamako is the capital of Mali.", "Mali exports cotton."]):
        print(f"{one.score:.2f} {'keep' if one.score >= threshold else 'drop'}  {one.document}")
