"""How well a bundle answers on pictures whose objects are known: COCO's annotation files."""
