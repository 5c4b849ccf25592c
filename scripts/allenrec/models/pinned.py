"""Models of packages, whose code needs no consent: it is known by its digest."""

#: The digest of all files of a model (see `allenrec.models.trust.model_digest`) by its id: the 13 models of the Blue Brain
#: Project in the wheel of MEArec 1.11.0
PINNED_MODELS = {
    "L5_BP_bAC217_1": "b4f70e6d96b4a2e58befd11f1c024130600abf48baf9148af24b33c91faf1633",
    "L5_BTC_bAC217_1": "7739d3ab47cbfb5430de5bdc28988eb005db496f8ca3e59610ad25e597325897",
    "L5_ChC_cACint209_1": "08351721d2caa2b72509e4ebc3e5393d18e79bb94b8f3224d8b49cefb546e4bd",
    "L5_DBC_bAC217_1": "9fc95c8cb8b8c9be5a4ec5ee3a6e82d2549b49d31e018a44017b02e6a7e9b15f",
    "L5_LBC_bAC217_1": "f7c1353b2f26d57ffe17e0ddb9b941e6c5fe3de2410305d58bf060de316d09e3",
    "L5_MC_bAC217_1": "23cf40a505b3d1e5d12876162ebbea04f7509cf216203d71ca66c03b84892449",
    "L5_NBC_bAC217_1": "ceca61b8c62dfd4acef69139cf955b95fe30a18123719fa2cc31c976c2bda548",
    "L5_NGC_bNAC219_1": "d271caef1812194c2ccd10bb40f0c2db9ca89fab0b5b7c0a533f13c339a7c69b",
    "L5_SBC_bNAC219_1": "4a2817e7f8bc73c15ac380a49ff187fd9e958aff55920b080b0ebb55bc378cca",
    "L5_STPC_cADpyr232_1": "668930ae1bd4ac31d7e42a53b8daa5853cb9a8ab94089e92df05d785a431b89e",
    "L5_TTPC1_cADpyr232_1": "8f86861cad70ae81dffc978a20f0d5b076bd7383f308383be9aa115a62bd1ac4",
    "L5_TTPC2_cADpyr232_1": "fa8dcdc85fd52ae43c232d6f11a8689ef4643a639bf3b6e72262c406b9732f35",
    "L5_UTPC_cADpyr232_1": "c22d34eccb57f7be7402d72cf1d237ed6736870b477ab745a00edb84fcb1e894",
}
