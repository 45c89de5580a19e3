"""Material of the generators: multilingual text and facts that installed packages carry.

`messages` are Django's translations, `continuations` how a text goes on, `locales` CLDR's formats of numbers and dates,
`world` territories, currencies and named entities, `text` plain operations on strings, `splits` keeps the items of
evaluation apart.
"""
