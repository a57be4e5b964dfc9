"""Requests to functions' URLs, through the cloud's proxy, as `opsml cloud env` has a shell send them."""
import os
import ssl
import sys
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

context = ssl.create_default_context(cafile=sys.argv[1])
# Nothing follows a redirect here: the function's answer is looked at as it is.
NoRedirect = type("NoRedirect", (urllib.request.HTTPRedirectHandler,), {"redirect_request": lambda *_: None})
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"https": os.environ["AWS_ENDPOINT_URL"]}),
    urllib.request.HTTPSHandler(context=context), NoRedirect)
FORBIDDEN = {"Message": "Forbidden. For troubleshooting Function URL authorization issues, see: "
                        "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}


def send(url, data=None, method=None, **headers):
    """Returns the status, the headers and the body of an answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        answer = opener.open(urllib.request.Request(url, data, names, method=method))
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.headers, answer.read()


def signed(url, data=None, method="GET", session=boto3, service="lambda", **headers):
    """Sends a request with a signature of botocore's."""
    request = AWSRequest(method, url, data=data, headers=headers)
    SigV4Auth(session.DEFAULT_SESSION.get_credentials() if session is boto3 else session, service, "us-east-1").add_auth(request)
    return send(url, data, method, **dict(request.headers))


def open_to_all(name, **more):
    """Allows everybody to use a function's URL, by the two statements that AWS asks for."""
    lam.add_permission(FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
                       FunctionUrlAuthType="NONE", **more)
    lam.add_permission(FunctionName=name, StatementId="function", Action="lambda:InvokeFunction", Principal="*",
                       InvokedViaFunctionUrl=True, **more)
