from utils.environment import check_environment

check_environment()  # before any module of the project imports a package that may not be there
