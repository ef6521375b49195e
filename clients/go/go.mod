module outboundtasks

go 1.19
