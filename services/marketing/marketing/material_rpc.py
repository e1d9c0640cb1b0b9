"""Calls about materials and the links by which they are shared."""

from dataclasses import dataclass

from chassis.convert import from_message, to_message
from chassis.errors import InvalidFields
from chassis.values import slug
from chassis.work import Page, Work
from crm.marketing.v1 import materials_pb2 as pb
from crm.type.v1 import types_pb2

from marketing import material_tables
from marketing.material import (
    Material,
    MaterialCreated,
    MaterialLink,
    MaterialLinkCreated,
    MaterialNotShared,
    MaterialUpdated,
    NoSuchLink,
)


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What one person brought by one material."""

    material: str
    display_name: str
    owner: str
    material_link: str
    opens: int
    leads: int
    conversions: int


class MaterialService:
    descriptor = pb.DESCRIPTOR.services_by_name["MaterialService"]

    async def CreateMaterial(self, request: pb.CreateMaterialRequest, work: Work) -> Material:
        given = request.material
        material = from_message(given, Material, id=request.material_id or slug(given.display_name))
        work.emit(MaterialCreated(material=work.add(material), event_time=work.now))
        return material

    async def GetMaterial(self, request: pb.GetMaterialRequest, work: Work) -> Material:
        return await work.get(Material, request.name)

    async def ListMaterials(self, request: pb.ListMaterialsRequest, work: Work) -> Page[Material]:
        return await work.page(Material, request)

    async def UpdateMaterial(self, request: pb.UpdateMaterialRequest, work: Work) -> Material:
        material = await work.get(Material, request.material.name, request.material.etag)
        changed = work.update(material, request.material, request.update_mask.paths, "material")
        if changed:
            work.emit(MaterialUpdated(material=material, fields=changed, event_time=work.now))
        return material

    async def ArchiveMaterial(self, request: pb.ArchiveMaterialRequest, work: Work) -> Material:
        material = await work.get(Material, request.name, request.etag)
        work.emit(material.archive(at=work.now))
        return material

    async def RestoreMaterial(self, request: pb.RestoreMaterialRequest, work: Work) -> Material:
        material = await work.get(Material, request.name, request.etag)
        work.emit(material.restore(at=work.now))
        return material

    async def ShareMaterial(self, request: pb.ShareMaterialRequest, work: Work) -> MaterialLink:
        work.retry_conflicts = True  # shared twice at the same moment: look again
        material = await work.get(Material, request.name)
        if not material.is_in_use(work.now):
            raise MaterialNotShared(material=material.name)
        owner = await work.responsible(request.owner or work.caller.actor, "owner")
        for link in await work.find(MaterialLink, material=material.name, owner=owner.name):
            if link.archive_time is None:
                return link
        link = work.add(MaterialLink(owner=owner.name, team=owner.team, material=material.name))
        work.emit(MaterialLinkCreated(material_link=link, event_time=work.now))
        return link

    async def GetMaterialLink(self, request: pb.GetMaterialLinkRequest, work: Work) -> MaterialLink:
        return await work.get(MaterialLink, request.name)

    async def ListMaterialLinks(self, request: pb.ListMaterialLinksRequest, work: Work) -> Page[MaterialLink]:
        return await work.page(MaterialLink, request)

    async def ArchiveMaterialLink(self, request: pb.ArchiveMaterialLinkRequest, work: Work) -> MaterialLink:
        link = await work.get(MaterialLink, request.name, request.etag)
        work.emit(link.archive(at=work.now))
        return link

    async def ListMaterialPerformance(
        self, request: pb.ListMaterialPerformanceRequest, work: Work
    ) -> pb.ListMaterialPerformanceResponse:
        rows = await work.rows(material_tables.PERFORMANCE, material=request.material, **work.sight())
        lines = [to_message(Performance(**dict(row)), pb.MaterialPerformance) for row in rows]
        return pb.ListMaterialPerformanceResponse(materials=lines)

    async def OpenMaterialLink(self, request: pb.OpenMaterialLinkRequest, work: Work) -> types_pb2.Redirect:
        if "\0" in request.token:
            raise InvalidFields(("token", "contains a NUL character"))
        link = await work.find_one(MaterialLink, id=request.token)
        material = await work.find_one(Material, id=link.material.removeprefix("materials/")) if link else None
        if link is None or material is None:
            raise NoSuchLink()
        location = link.leads_to(material, work.now)
        await work.execute(material_tables.COUNT_OPEN, link.name)
        return types_pb2.Redirect(location=location)
