"""Market data: bars come in, are checked, kept and told.

Does: fetches every session bar when it is due, loads history, imports files, checks
what is stored, archives what is old. Owns: schema `data_ingestion`. Hears: nobody.
Says: `BarsIngested`, `HistoryLoaded`, `DataQualityFailed`.
"""
