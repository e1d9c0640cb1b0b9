from crm.sales.v1 import sales_pb2
async def test_smoke(sales):
    a = await sales.call("SalesService/CreateAccount", sales_pb2.CreateAccountRequest(account={"display_name": "X"}), by="users/root")
    p = await sales.call("SalesService/GetPipeline", sales_pb2.GetPipelineRequest(name="pipelines/default"), by="users/root")
    print(a, p)
