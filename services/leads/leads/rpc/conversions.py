"""Calls around a conversion: what it would do, and how it is taken back."""

from chassis.work import Work
from crm.leads.v1 import conversion_pb2

from leads import conversion
from leads.domain.lead import Lead


class Conversions:
    async def PreviewConversion(
        self, request: conversion_pb2.PreviewConversionRequest, work: Work
    ) -> conversion_pb2.ConversionPreview:
        return await conversion.preview(request, work)

    async def UndoConversion(self, request: conversion_pb2.UndoConversionRequest, work: Work) -> Lead:
        return await conversion.undo(request, work)
