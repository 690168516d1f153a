global using Nrg = ZB.MOM.NatsNet.Server.Native.NrgConstants;
