"""The bucket is deleted, and somebody else takes its name."""
for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
    s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
s3.delete_bucket(Bucket=bucket)
s3.create_bucket(Bucket=bucket)
