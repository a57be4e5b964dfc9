"""The price list: its products, their attributes, and the services that it knows."""
pricing = boto3.client("pricing", config=config)
pricing.meta.events.register("after-call.pricing", fits_model)


def products(service, **attributes):
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in attributes.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters, PaginationConfig={"PageSize": 7})
    return [json.loads(entry) for page in pages for entry in page["PriceList"]]


def hourly(product):
    [term] = product["terms"]["OnDemand"].values()
    [price] = term["priceDimensions"].values()
    assert price["unit"] == "Hrs"
    return float(price["pricePerUnit"]["USD"])


[m5] = products("AmazonEC2", instanceType="m5.xlarge", operatingSystem="Linux", tenancy="Shared", preInstalledSw="NA",
                capacitystatus="Used", regionCode="us-east-1")
assert hourly(m5) == 0.192 and m5["product"]["attributes"]["vcpu"] == "4" and m5["product"]["productFamily"] == "Compute Instance"
assert products("AmazonEC2", instanceType="m5.xlarge", location="US East (N. Virginia)") == [m5]
assert products("AmazonEC2", instanceType="m5.xlarge", operatingSystem="Windows") == []
assert products("AmazonEC2", regionCode="eu-west-1") == []
hosts = products("AmazonSageMaker", instanceName="ml.m5.large", productFamily="ML Instance")
assert {each["product"]["attributes"]["component"] for each in hosts} == {"Hosting", "Notebook", "Training"}
assert {hourly(each) for each in hosts} == {0.115}
everything = products("AmazonEC2")
assert len(everything) == len({each["product"]["sku"] for each in everything}) > 10
services = {each["ServiceCode"]: each["AttributeNames"] for each in pricing.describe_services()["Services"]}
assert set(services) == {"AmazonEC2", "AmazonSageMaker"} and "instanceType" in services["AmazonEC2"]
values = pricing.get_attribute_values(ServiceCode="AmazonSageMaker", AttributeName="component")["AttributeValues"]
assert [each["Value"] for each in values] == ["Hosting", "Notebook", "Training"]
refused("NotFoundException", pricing.get_attribute_values, ServiceCode="AmazonEC2", AttributeName="colour")
assert "AmazonRDS" in refused("UnknownOperationException", pricing.get_products, ServiceCode="AmazonRDS")
iam.create_role(RoleName="weak", AssumeRolePolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:root"}))
refused("AccessDeniedException", as_role("weak", "pricing").describe_services)
